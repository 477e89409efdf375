// What somebody writes against the types that are generated from the document of the demo.
import type { components, operations, paths } from "./schema";

type Products = paths["/api/products"]["get"]["responses"]["200"]["content"]["application/json"];
type Query = NonNullable<operations["list_products"]["parameters"]["query"]>;
type NewProduct = components["schemas"]["productCreate"];

export const query: Query = { limit: 3, price__lt: "20.00" };
export const names = (answer: Products): string[] => answer.value.map((product) => product.name ?? "");
export const created: NewProduct = { name: "Lamp", price: "19.90", since: "2026-01-02", category_id: 1 };

// @ts-expect-error: there is no such field
export const misspelt: NewProduct = { name: "Lamp", price: "19.90", since: "2026-01-02", categori_id: 1 };
// @ts-expect-error: there is no such parameter
export const unknown: Query = { limits: 3 };
