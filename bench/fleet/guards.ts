import type { CpuUsage } from '../support/cpu-usage.ts'
import type { Calibration } from './calibration.ts'

/** Something that must hold for a run to say anything about the network. */
export interface GuardResult {
  readonly guard: string
  readonly value: number
  readonly limit: number
  readonly holds: boolean
}

export interface GuardInput {
  readonly cpu: CpuUsage
  readonly calibration: Calibration
  /** What the calibrated link should carry at best, in bytes per second. */
  readonly expectedHostRate: number
  /** The most times that one shaper made packets wait during the run: 0 means that no link was ever full. */
  readonly mostOverlimits: number
  /** The worst of all daemons; undefined where there was none. */
  readonly eventLoopP99Ms: number | undefined
}

const MOST = {
  cpuBusy: 0.7,
  processCores: 0.8,
  softirq: 0.3,
  foreign: 0.1,
  calibrationError: 0.03,
  calibrationSpread: 0.05,
  eventLoopP99Ms: 50,
}

/** What tells a run that the network limited from one that the machine did. One that fails makes the run invalid. */
export function checkGuards(input: GuardInput): GuardResult[] {
  const { cpu, calibration, expectedHostRate, mostOverlimits, eventLoopP99Ms } = input
  const error = Math.abs(calibration.host / expectedHostRate - 1)
  const [least, most] = calibration.spread
  const results = [
    atMost('CPU busy', cpu.busy, MOST.cpuBusy),
    atMost(`cores used by ${cpu.busiestProcess.name}`, cpu.busiestProcess.cores, MOST.processCores),
    atMost('CPU in softirq', cpu.softirq, MOST.softirq),
    atMost('CPU used by others', cpu.foreign, MOST.foreign),
    atMost('calibration off the expected rate', error, MOST.calibrationError),
    atMost('calibration spread over hosts', (most - least) / calibration.host, MOST.calibrationSpread),
    { guard: 'links were limited by their shaper', value: mostOverlimits, limit: 1, holds: mostOverlimits >= 1 },
  ]
  if (eventLoopP99Ms !== undefined) results.push(atMost('event loop p99, ms', eventLoopP99Ms, MOST.eventLoopP99Ms))
  return results
}

function atMost(guard: string, value: number, limit: number): GuardResult {
  return { guard, value, limit, holds: value <= limit }
}
