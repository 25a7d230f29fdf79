/** Path of NVRTC, which is fetched unless it is there. Throws when it cannot be had. */
export declare const fetchNvrtc: () => string;
