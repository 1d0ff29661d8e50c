# Shoal in a container: the agent, or a cache with `agent --set role=cache`, and every other command.
#
#   docker build -t shoal .
#   docker run --network host -v shoal:/var/lib/shoal -v /etc/shoal:/etc/shoal:ro shoal
#   docker run --network host shoal status
#
# Volumes: /var/lib/shoal holds the blobs; mount a disk there. All else may be read-only (--read-only). /etc/shoal is the
#          place for agent.yaml, keys and tokens, readable by uid 10001. The agent.yaml of the image says where the store is;
#          yours must say so, too (store.path: /var/lib/shoal).
# Ports:   7070 mirror and 7072 admin are for this host only and listen on loopback, so use the host's network;
#          7071 is for the other hosts and opens to them once fleet.keyFile is set.
# Stop:    SIGTERM lets running pulls end (mirror.drain, 30s by default): give docker stop -t 45.
# Bases:   --build-arg BASE=IMAGE, a Debian that has the packages below or can install them, and BUILD_BASE, with Node and npm.
#          Where a build reaches no registry of npm: npm run package -- --tree build/tree, before it, is what the image holds.
ARG BUILD_BASE=node:26-slim
ARG BASE=debian:13-slim

FROM ${BUILD_BASE} AS build
WORKDIR /source
COPY . .
RUN [ -d build/tree ] || { npm ci --ignore-scripts && node config/package/main.ts --tree build/tree; }

FROM ${BASE}
# no home: what programs keep there would lie in /var/lib/shoal, which must be empty or a store
RUN { dpkg --status ca-certificates libatomic1 libstdc++6 >/dev/null 2>&1 || { apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates libatomic1 libstdc++6 \
    && rm -rf /var/lib/apt/lists/*; }; } \
    && useradd --system --uid 10001 --home-dir /nonexistent --no-create-home --shell /usr/sbin/nologin shoal \
    && install --directory --owner shoal --group shoal --mode 0700 /var/lib/shoal \
    && ln -s ../lib/shoal/bin/shoal /usr/bin/shoal
COPY --from=build /source/build/tree /usr/lib/shoal
COPY config/package/etc/agent.yaml /etc/shoal/agent.yaml
USER 10001
VOLUME /var/lib/shoal
EXPOSE 7070 7071 7072
# Asks the default admin address; set SHOAL_ADMIN_LISTEN, not the file's admin.listen, if it is another one.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
  CMD ["/usr/lib/shoal/bin/node", "-e", "fetch(`http://${process.env.SHOAL_ADMIN_LISTEN ?? '127.0.0.1:7072'}/healthz`).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["shoal"]
CMD ["agent", "--config", "/etc/shoal/agent.yaml"]
