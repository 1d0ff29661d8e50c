// A process of the bench: does what it is told over IPC, and ends with its parent.
import { serveTasks } from '../support/serve-tasks.ts'
import { usedCpu } from './cost.ts'
import { fetchAway } from './fetch-away.ts'
import { runMicro } from './micro/index.ts'
import { receivePieces, servePieces } from './pieces.ts'
import type { Task } from './tasks.ts'
import { messageSchema } from './tasks.ts'
import { hashBytes, serveFile, writeNewFile } from './work-disk.ts'
import { receiveByTls, serveByTls } from './work-tls.ts'

async function perform(task: Task): Promise<unknown> {
  switch (task.do) {
    case 'tls-serve':
      return serveByTls()
    case 'tls-receive':
      return receiveByTls(task.port, task.bytes)
    case 'hash':
      return hashBytes(task.bytes)
    case 'write':
      return writeNewFile(task)
    case 'file-serve':
      return serveFile(task.file)
    case 'used':
      return usedCpu()
    case 'fetch':
      return fetchAway(task.url)
    case 'pieces-serve':
      return servePieces(task.channel, task.directory)
    case 'pieces-receive':
      return receivePieces(task)
    case 'micro':
      return runMicro(task.directory)
  }
}

serveTasks(messageSchema, perform)
