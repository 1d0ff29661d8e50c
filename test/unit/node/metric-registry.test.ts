import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { PrometheusRegistry } from '../../../src/node/index.ts'

describe('the metric registry', () => {
  it('renders counters, gauges and histograms as Prometheus reads them', async () => {
    const registry = new PrometheusRegistry()
    registry.counter('a_total', 'As.', { to: ['peer', 'child'] }).inc({ to: 'peer' }, 3)
    registry.counter('b_total', 'Bs.', {}).inc({})
    registry.gauge('c', 'Cs.', ['state']).set({ state: 'up' }, 7)
    registry.histogram('d_seconds', 'Ds.', {}, [0.1, 1]).observe({}, 0.5)
    const text = await registry.text()
    assert.match(text, /# HELP a_total As\.\n# TYPE a_total counter\na_total\{to="peer"\} 3/)
    assert.match(text, /b_total 1/)
    assert.match(text, /c\{state="up"\} 7/)
    assert.match(text, /d_seconds_bucket\{le="0\.1"\} 0\nd_seconds_bucket\{le="1"\} 1/)
    assert.match(registry.contentType, /^text\/plain; version=/)
  })

  it('has every combination of labels from zero', async () => {
    const registry = new PrometheusRegistry()
    registry.counter('asked_total', 'Asked.', { kind: ['tag', 'blob'], result: ['ok', 'failed'] })
    registry.histogram('took_seconds', 'Took.', { kind: ['tag', 'blob'] }, [1])
    const text = await registry.text()
    for (const kind of ['tag', 'blob']) {
      for (const result of ['ok', 'failed'])
        assert.ok(text.includes(`asked_total{kind="${kind}",result="${result}"} 0\n`))
      assert.ok(text.includes(`took_seconds_count{kind="${kind}"} 0\n`), text)
    }
  })

  it('keeps what is counted when another room declares it again', async () => {
    const registry = new PrometheusRegistry()
    registry.counter('sent_total', 'Sent.', { to: ['peer'] }).inc({ to: 'peer' })
    registry.counter('sent_total', 'Sent.', { to: ['peer', 'runtime'] })
    const text = await registry.text()
    assert.match(text, /sent_total\{to="peer"\} 1\nsent_total\{to="runtime"\} 0/)
  })

  it('reads gauges at scrape time', async () => {
    const registry = new PrometheusRegistry()
    let value = 1
    registry.gauge('now', 'Now.', ['kind'], (gauge) => gauge.set({ kind: 'x' }, value))
    assert.match(await registry.text(), /now\{kind="x"\} 1/)
    value = 2
    assert.match(await registry.text(), /now\{kind="x"\} 2/)
  })

  it('shares what rooms declare alike', async () => {
    const registry = new PrometheusRegistry()
    registry.counter('sent_total', 'Sent.', { to: ['peer'] }).inc({ to: 'peer' })
    registry.counter('sent_total', 'Sent.', { to: ['peer'] }).inc({ to: 'peer' })
    registry.gauge('g', 'G.', ['a'], (gauge) => gauge.set({ a: 'one' }, 1))
    registry.gauge('g', 'G.', ['a'], (gauge) => gauge.set({ a: 'two' }, 2))
    const text = await registry.text()
    assert.match(text, /sent_total\{to="peer"\} 2/)
    assert.match(text, /g\{a="one"\} 1\ng\{a="two"\} 2/)
  })

  it('refuses one name for two things', () => {
    const registry = new PrometheusRegistry()
    registry.counter('x_total', 'X.', { a: ['1'] })
    assert.throws(() => registry.counter('x_total', 'X.', { b: ['1'] }), /x_total is declared as/)
    assert.throws(() => registry.gauge('x_total', 'X.', ['a']), /x_total is declared as/)
  })

  it('knows the process it is in, and no other registry', async () => {
    const registry = new PrometheusRegistry()
    registry.collectProcessMetrics()
    const text = await registry.text()
    for (const name of [
      'process_cpu_seconds_total',
      'nodejs_eventloop_lag_p99_seconds',
      'nodejs_gc_duration_seconds',
    ]) {
      assert.match(text, new RegExp(`^# TYPE ${name} `, 'm'))
    }
    assert.equal((await new PrometheusRegistry().text()).trim(), '')
  })
})
