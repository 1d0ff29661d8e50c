export { loadProgram, runProgram } from './program.ts'
