// image/Dockerfile as text, written from the same list as the archive. Never says what is in the image: contents.ts does.
import { imageStart } from './contents.ts';

const quoted = (words: readonly string[]): string => JSON.stringify([...words]).replaceAll('","', '", "');
const pairs = (values: Readonly<Record<string, string>>): string[] =>
  Object.entries(values).map(([name, value]) => `${name}=${JSON.stringify(value)}`);

export function dockerfile(): string {
  const { entrypoint, command, env, user, ports, labels } = imageStart;
  return `# BigO's image. Written by \`npm run docs\` from scripts/image/contents.ts: change that.
# docker buildx build --platform linux/amd64,linux/arm64 -f image/Dockerfile -t bigo .
ARG BUILD_IMAGE=node:24-bookworm-slim

FROM \${BUILD_IMAGE} AS build
ARG COMMIT=unknown
WORKDIR /src
COPY . .
RUN npm run image -- --commit "\${COMMIT}" --folder /image

FROM scratch
COPY --from=build /image /
LABEL ${pairs(labels).join(' \\\n  ')}
ENV ${pairs(env).join(' ')}
USER ${user}
EXPOSE ${ports.join(' ')}
ENTRYPOINT ${quoted(entrypoint)}
CMD ${quoted(command)}
`;
}
