/** Test files that replace modules, relative to the checkout. */
export declare const filesApart: () => string[];
