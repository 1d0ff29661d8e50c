export type { LogOptions } from './logger.ts'
export { createLogger } from './logger.ts'
export { PrometheusRegistry } from './metric-registry.ts'
export { ShoalNode } from './node.ts'
