// Sections of a page that a tool writes, between two comments; what stands outside them is a person's and stays.
//
//   <!-- bench:http -->
//   …
//   <!-- /bench:http -->

export interface Section {
  readonly name: string;
  readonly text: string;
}

/** The page with this section's text in place of the old one; a new section goes behind the one named, else to the end. */
export function putSection(page: string, { name, text }: Section, behind: string | undefined): string {
  const section = `${begin(name)}\n\n${text.trim()}\n\n${end(name)}`;
  const from = page.indexOf(begin(name));
  if (from >= 0) return page.slice(0, from) + section + page.slice(endOf(page, name));
  const at =
    behind !== undefined && page.includes(begin(behind)) ? endOf(page, behind) : page.trimEnd().length;
  return `${page.slice(0, at)}\n\n${section}${page.slice(at)}`;
}

function endOf(page: string, name: string): number {
  const at = page.indexOf(end(name), page.indexOf(begin(name)));
  if (at < 0) throw new Error(`the page has "${begin(name)}" without "${end(name)}"`);
  return at + end(name).length;
}

const begin = (name: string): string => `<!-- bench:${name} -->`;
const end = (name: string): string => `<!-- /bench:${name} -->`;
