/** The same device with some members replaced. */
export const alteredDevice = (whole: GPUDevice, members: Readonly<Record<string, unknown>>): GPUDevice =>
  new Proxy(whole, {
    get: (target, name) => {
      if (Object.hasOwn(members, name)) return members[name as string];
      const member = Reflect.get(target, name) as unknown;
      return typeof member === "function" ? (member.bind(target) as unknown) : member;
    },
  });
