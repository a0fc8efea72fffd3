declare module 'virtual:world-outline' {
  /** SVG path data, in the units of model/projection.ts. */
  const outline: string;
  export default outline;
}
