// The door to the stores of a snapshot for the shells of other components. Holds nothing of its own.
export { holdersOf, holdsModel, storeName, storesOf, storesWith } from './core/stores.ts';
export type { Store, Targets } from './core/stores.ts';
