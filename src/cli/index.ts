/*
 * The commands. Each is in the file of its name, loaded when it is called.
 *
 *   program          which there are: completion, near-command, repeatable, command-io, error-lines, hangups
 *   agent, run-agent the daemon: own-config, check; demo, demo-display; pull, pull-progress, pin, unpin, blobs, image-list; page, plan
 *   prewarm          jobs: prewarm-options, prewarm-schedules, prewarm-text, prewarm-wait, wait
 *   purge, invalidate what is to go: purge-text
 *   fleet, fleet-key who a fleet's hosts are: fleet-init, fleet-certify, fleet-revoke, fleet-rotate, fleet-show, fleet-files;
 *                    credential, secret-file
 *   status           what a host says: status-text, transfers, transfers-text, peers, limits, logs, watch, why
 *   doctor           looks for what is wrong: doctor-probes, doctor-pull, doctor-findings, service-manager
 *   configure        runtimes: configure-target, configure-text, runtime-detection
 *   verify           compares what is stored: verify-stopped, verify-text
 *   admin-client     asks the agent: admin-target, admin-request, list-command, complete-reference
 *   plain-table, fit-text, quantity-text, option-values  what is read and written in all of them
 */
export { loadProgram, runProgram } from './program.ts'
