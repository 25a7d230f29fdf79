// Checks links of Markdown files and HTML pages to other files and their anchors. Does not use the network.
import { existsSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative } from "node:path";

/** Broken links of some files as text, with paths relative to `folder`. */
export const brokenLinks = (paths, folder) =>
  paths.flatMap((path) =>
    linksOf(path).flatMap((link) => {
      const fault = faultOf(path, link);
      return fault ? [`${relative(folder, path)}: ${link} ${fault}`] : [];
    }),
  );

const linksOf = (path) => {
  const text = readFileSync(path, "utf8");
  const found = path.endsWith(".html")
    ? [...text.matchAll(/\s(?:href|src)="([^"]*)"/g)].map(([, link]) => link.replaceAll("&amp;", "&"))
    : [...withoutCode(text).matchAll(/\]\(<?([^)\s>]+)>?[^)]*\)/g)].map(([, link]) => link);
  return [...new Set(found)].filter((link) => link !== "" && !/^[a-z][a-z+.-]*:/i.test(link));
};

const withoutCode = (markdown) => markdown.replaceAll(/^ *(```|~~~)[\s\S]*?^ *\1/gm, "").replaceAll(/`[^`\n]*`/g, "``");

const faultOf = (path, link) => {
  const [file, place] = decodeURIComponent(link.replace(/\?[^#]*/, "")).split("#", 2);
  const target = file === "" ? path : join(dirname(path), file);
  if (!existsSync(target)) return "is not there";
  if (statSync(target).isDirectory()) return "is a folder: name a file in it";
  if (place && /\.(md|html)$/.test(target) && !placesOf(target).has(place)) return "is no place in that file";
};

const places = new Map();

const placesOf = (path) => {
  if (!places.has(path)) places.set(path, new Set(path.endsWith(".html") ? idsOf(path) : headingsOf(path)));
  return places.get(path);
};

const idsOf = (path) => [...readFileSync(path, "utf8").matchAll(/\s(?:id|name)="([^"]*)"/g)].map(([, id]) => id);

/** Anchors of headings as on GitHub; the second of a name gets -1. */
const headingsOf = (path) => {
  const seen = new Map();
  const markdown = readFileSync(path, "utf8").replaceAll(/^ *```[\s\S]*?^ *```/gm, "");
  return [...markdown.matchAll(/^#{1,6} (.+)$/gm)].map(([, heading]) => {
    const name = heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
      .trim()
      .replaceAll(" ", "-");
    const count = seen.get(name) ?? 0;
    seen.set(name, count + 1);
    return count === 0 ? name : `${name}-${count}`;
  });
};
