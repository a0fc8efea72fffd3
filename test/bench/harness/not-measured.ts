// Why something could not be measured here, such as a program that is not installed. It is reported as that, by name: it
// neither passes nor fails.

export class NotMeasured extends Error {
  override readonly name = 'NotMeasured';
}
