export type { CommandIo, CreateCommand } from './command-io.ts'
export { runProgram } from './program.ts'
