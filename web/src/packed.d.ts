/** Gzipped code in base64, by the plugin of build.mjs. */
declare module "packed:3dmol" {
  const packed: string;
  export default packed;
}
declare module "*.css";
declare module "packed:licences" {
  const packed: string;
  export default packed;
}
