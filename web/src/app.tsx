import type { Page } from "./contract";
import { MaterialPage } from "./material/page";
import { view } from "./state";

export function App({ page }: { page: Page }) {
  const route = view.value.route;
  const material = route.name === "material" ? page.materials.find((each) => each.name === route.material) : undefined;
  return <main id="main">{material ? <MaterialPage page={page} material={material} /> : <h1>{page.title}</h1>}</main>;
}
