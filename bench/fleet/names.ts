export const SCENARIOS = [
  'burst',
  'warm',
  'rolling',
  'late',
  'churn',
  'slow',
  'dead',
  'wan',
  'small',
  'layers',
  'tiny',
  'no-tier',
  'dead-cache',
  'hanging-cache',
  'sick-cache',
  'lying-cache',
  'slow-origin',
  'late-origin',
  'lazy-start',
] as const
export type ScenarioName = (typeof SCENARIOS)[number]

export const BASELINES = ['direct', 'registry-cache', 'libtorrent'] as const
export type BaselineName = (typeof BASELINES)[number]

export function isScenario(text: string): text is ScenarioName {
  return SCENARIOS.some((name) => name === text)
}

export function isBaseline(text: string): text is BaselineName {
  return BASELINES.some((name) => name === text)
}
