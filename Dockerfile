# The Shoal agent, or a cache with `--set role=cache`.
#
#   docker build -t shoal .
#   docker run --network host -v shoal:/var/lib/shoal -v /etc/shoal:/etc/shoal:ro shoal --config /etc/shoal/agent.yaml
#
# Volumes: /var/lib/shoal holds the blobs (store.path); mount a disk there. /etc/shoal is the place for configuration,
#          fleet key and tokens, readable by uid 10001.
# Ports:   7070 mirror and 7072 admin are for this host only and listen on loopback, so use the host's network;
#          7071 is for the other hosts and opens to them once fleet.keyFile is set.
# Stop:    SIGTERM lets running pulls end (mirror.drain, 30s by default): give docker stop -t 45.

FROM node:26-slim AS dependencies
WORKDIR /app
# The image brings the runtime, so the packages that pin it (and everything for tests) stay out.
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --omit=optional --ignore-scripts && npm cache clean --force

FROM node:26-slim
ENV NODE_ENV=production \
    SHOAL_STORE_PATH=/var/lib/shoal \
    SHOAL_LOG_PRETTY=false
WORKDIR /app
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin shoal \
    && install --directory --owner shoal --group shoal --mode 0750 /var/lib/shoal
COPY --from=dependencies /app/node_modules ./node_modules
COPY package.json LICENSE ./
COPY config ./config
COPY src ./src
USER 10001
VOLUME /var/lib/shoal
EXPOSE 7070 7071 7072
# Asks the default admin address; set SHOAL_ADMIN_LISTEN, not the file's admin.listen, if it is another one.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
  CMD ["node", "-e", "fetch(`http://${process.env.SHOAL_ADMIN_LISTEN ?? '127.0.0.1:7072'}/healthz`).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "src/main.ts", "agent"]
CMD ["--config", "config/agent.yaml"]
