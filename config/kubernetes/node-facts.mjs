// Writes what the API server says of this pod's node as variables for a shell: SHOAL_TIER_ZONE from the well-known label,
// SHOAL_TIER_LABELS from labels such as shoal/disk=ssd, RUNTIME_VERSION of containerd. Run as: node node-facts.mjs FILE
import { readFile, writeFile } from 'node:fs/promises'

const { KUBERNETES_API = 'https://kubernetes.default.svc', NODE_NAME = '', TOKEN_FILE = '' } = process.env
const [file = ''] = process.argv.slice(2)
const token = (await readFile(TOKEN_FILE, 'utf8')).trim()
const url = `${KUBERNETES_API}/api/v1/nodes/${encodeURIComponent(NODE_NAME)}`
const response = await fetch(url, { headers: { authorization: `Bearer ${token}` } })
if (!response.ok) throw new Error(`the API server answers ${response.status} for node ${NODE_NAME}`)
const { metadata, status } = await response.json()
const labels = Object.entries(metadata.labels ?? {})
const own = labels
  .filter(([name]) => name.startsWith('shoal/'))
  .map(([name, value]) => [name.slice('shoal/'.length), value])
const zone = metadata.labels?.['topology.kubernetes.io/zone'] ?? ''
const [, version = ''] = /^containerd:\/\/v?(.+)$/.exec(status.nodeInfo.containerRuntimeVersion) ?? []
const facts = {
  SHOAL_TIER_ZONE: zone,
  SHOAL_TIER_LABELS: JSON.stringify(Object.fromEntries(own)),
  RUNTIME_VERSION: version,
}
const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`
await writeFile(
  file,
  Object.entries(facts)
    .map(([name, text]) => `export ${name}=${quoted(text)}\n`)
    .join(''),
)
