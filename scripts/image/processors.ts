// The processors that an image is made for, and what each is called by npm, Debian, ELF and the dynamic loader.
// Never says what is in an image: contents.ts does.
export type Processor = 'amd64' | 'arm64';

interface Names {
  /** In `process.arch`, and in the npm package that holds Node. */
  readonly node: string;
  /** e_machine of the ELF header. */
  readonly elfMachine: number;
  /** Debian's folder of libraries, in which the loader looks by itself. */
  readonly libraries: string;
}

export const processors: Readonly<Record<Processor, Names>> = {
  amd64: { node: 'x64', elfMachine: 62, libraries: '/lib/x86_64-linux-gnu' },
  arm64: { node: 'arm64', elfMachine: 183, libraries: '/lib/aarch64-linux-gnu' },
};

const isProcessor = (name: string): name is Processor => Object.hasOwn(processors, name);

export const allProcessors: readonly Processor[] = Object.keys(processors).filter(isProcessor);

/** Of this machine. */
export function ownProcessor(): Processor {
  const found = allProcessors.find(name => processors[name].node === process.arch);
  if (found === undefined)
    throw new Error(
      `No image is made on ${process.arch}: build it for linux/amd64 or linux/arm64 on another machine.`,
    );
  return found;
}

/** As --platform names them, with commas between. */
export function platformsOf(list: string): Processor[] {
  return [...new Set(list.split(','))].map(platform => {
    const name = platform.replace(/^linux\//, '');
    if (platform.startsWith('linux/') && isProcessor(name)) return name;
    const known = allProcessors.map(one => `linux/${one}`).join(' or ');
    throw new Error(`--platform ${platform}: it may be ${known}.`);
  });
}
