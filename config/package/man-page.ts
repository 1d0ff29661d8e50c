import { PassThrough } from 'node:stream'
import type { Command, Help } from 'commander'
import { loadProgram } from '../../src/cli/index.ts'

/** The page shoal(1), in the language of man(7), made of the texts of `--help`. */
export async function manPage(version: string): Promise<string> {
  const sink = new PassThrough()
  const signal = new AbortController().signal
  const program = await loadProgram({ stdout: sink, stderr: sink, env: {}, signal, setExitCode() {} })
  return [
    `.TH SHOAL 1 "" "shoal ${version}" "User Commands"`,
    '.SH NAME',
    `shoal \\- ${roff(program.description())}`,
    '.SH SYNOPSIS',
    '.B shoal',
    '[\\fIoptions\\fR] \\fIcommand\\fR',
    '.SH OPTIONS',
    ...optionLines(program),
    '.SH COMMANDS',
    ...commandsOf(program).flatMap((command) => commandLines(command, 'shoal')),
    '.SH EXIT STATUS',
    '0: done. 1: failed. 2: wrong usage or configuration.',
    '.SH FILES',
    ...entry('/etc/shoal/agent.yaml', 'the configuration, with every key explained'),
    ...entry('/var/lib/shoal', 'what is stored, and this host\\(aqs identity'),
    '',
  ].join('\n')
}

function commandLines(command: Command, parent: string): string[] {
  const name = `${parent} ${command.name()}`
  const own = [`.SS ${roff(`${name} ${command.usage()}`)}`, roff(command.description() || command.summary())]
  const details = [...argumentLines(command), ...optionLines(command)]
  return [...own, ...details, ...commandsOf(command).flatMap((sub) => commandLines(sub, name))]
}

function commandsOf(command: Command): Command[] {
  return helpOf(command)
    .visibleCommands(command)
    .filter((sub) => sub.name() !== 'help')
}

function argumentLines(command: Command): string[] {
  return helpOf(command)
    .visibleArguments(command)
    .flatMap((argument) => entry(argument.name(), argument.description))
}

function optionLines(command: Command): string[] {
  const help = helpOf(command)
  return help.visibleOptions(command).flatMap((option) => entry(option.flags, help.optionDescription(option)))
}

function helpOf(command: Command): Help {
  return command.createHelp()
}

function entry(term: string, text: string): string[] {
  return ['.TP', `.B ${roff(term)}`, roff(text)]
}

/** man(7): a backslash starts an escape, a minus is a hyphen unless escaped, a leading dot or quote is a request. */
function roff(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .split('\n')
    .map((line) => line.replace(/^([.'])/, '\\&$1'))
    .join('\n')
}
