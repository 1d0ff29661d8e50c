import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { WebhookSink } from './interface.ts'
import { HttpRefusal } from './json-error.ts'

/** Far above what any source sends for one push, far below what could hurt. */
const MAX_HOOK_BYTES = 512 * 1024

/** Where webhooks of registries come in. They carry no admin token: each proves itself with its rule's secret. */
const HOOK_PATHS: ReadonlySet<string> = new Set(['/hooks/:source', '/hooks/:source/:secret'])

interface HookRoute {
  readonly Params: { readonly source: string; readonly secret?: string }
  readonly Body: Buffer
}

type HookRequest = FastifyRequest<HookRoute>

/** Routes in a scope of their own: bodies come raw, whatever type they say, because signatures are over bytes. */
export async function addHookRoutes(app: FastifyInstance, hooks: WebhookSink): Promise<void> {
  await app.register(async (scope) => {
    scope.removeAllContentTypeParsers()
    scope.addContentTypeParser(
      '*',
      { parseAs: 'buffer', bodyLimit: MAX_HOOK_BYTES },
      async (_: unknown, body: Buffer) => body,
    )
    const options = {
      bodyLimit: MAX_HOOK_BYTES,
      // Strangers are sent away before their body is read.
      onRequest: async (request: HookRequest): Promise<void> => {
        const verdict = hooks.admits(headOf(request))
        if (verdict !== 'yes') throw refusal(verdict)
      },
    }
    for (const path of HOOK_PATHS) {
      scope.post<HookRoute>(path, options, (request, reply) => {
        const answer = hooks.receive(headOf(request), request.body ?? Buffer.alloc(0))
        if (answer.kind === 'accepted') return reply.code(202).send({ matched: answer.matched })
        throw answer.kind === 'invalid' ? new HttpRefusal(400, 'BODY_INVALID', answer.message) : refusal(answer.kind)
      })
    }
  })
}

function headOf({ params, headers }: HookRequest) {
  return { source: params.source, headers, pathSecret: params.secret }
}

function refusal(kind: 'unknown' | 'unauthorized' | 'busy'): HttpRefusal {
  switch (kind) {
    case 'unknown':
      return new HttpRefusal(404, 'NOT_FOUND', 'no rule of prewarm.hooks is for this source')
    case 'unauthorized':
      return new HttpRefusal(401, 'HOOK_UNPROVEN', 'no secret of a rule for this source is proven; see prewarm.hooks')
    case 'busy':
      return new HttpRefusal(503, 'BUSY', 'too many webhooks wait already; send it again later')
  }
}
