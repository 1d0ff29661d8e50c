/** The machine that made-up results were measured on. */
export const MACHINE = {
  commit: 'abc',
  kernel: '6.1',
  cores: 2,
  cpu: 'a processor',
  memoryGiB: 24,
  congestionControl: 'bbr',
  node: 'v26.0.0',
  date: '2020-01-01T00:00:00.000Z',
}
