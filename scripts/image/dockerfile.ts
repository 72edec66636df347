// image/Dockerfile as text, written from the same list as the archive. Never says what is in the image: contents.ts does.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { root } from '../check/source.ts';
import { imageStart } from './contents.ts';

const { version } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as { version: string };

const quoted = (words: readonly string[]): string => JSON.stringify([...words]).replaceAll('","', '", "');
const pairs = (values: Readonly<Record<string, string>>): string[] =>
  Object.entries(values).map(([name, value]) => `${name}=${JSON.stringify(value)}`);

export function dockerfile(): string {
  const { entrypoint, command, env, user, ports, labels } = imageStart;
  const all = { ...labels, 'org.opencontainers.image.version': version };
  return `# BigO's image. Written by \`npm run docs\` from scripts/image/contents.ts: change that.
# docker buildx build --platform linux/amd64,linux/arm64 -f image/Dockerfile -t bigo .
ARG BUILD_IMAGE=node:24-bookworm-slim

FROM \${BUILD_IMAGE} AS build
ARG COMMIT=unknown
WORKDIR /src
COPY . .
RUN npm run image -- --commit "\${COMMIT}" --folder /image

FROM scratch
ARG COMMIT=unknown
COPY --from=build /image /
LABEL ${pairs(all).join(' \\\n  ')} \\\n  org.opencontainers.image.revision="\${COMMIT}"
ENV ${pairs(env).join(' ')}
USER ${user}
EXPOSE ${ports.join(' ')}
ENTRYPOINT ${quoted(entrypoint)}
CMD ${quoted(command)}
`;
}
