# The runner of `moodify deploy --in-cluster`:  docker build -t $REGISTRY/moodify:0.1.0 .
FROM node:26-bookworm-slim AS build
WORKDIR /moodify
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY src ./src
COPY tools ./tools
RUN node tools/build.ts /moodify.mjs

FROM node:26-bookworm-slim
# One file: in a cluster it is its pod's service account, for which no other library is needed.
COPY --from=build /moodify.mjs /moodify.mjs
# The user `node` of the base image; by number, so that `runAsNonRoot` can be checked.
USER 1000:1000
ENTRYPOINT ["node", "/moodify.mjs"]
