// What comes from elsewhere becomes text, never markup: nothing in this page writes HTML, and the server's
// Content-Security-Policy has the browser refuse it.

/** @param {string} id @returns {HTMLElement} */
export function byId(id) {
  const found = document.getElementById(id)
  if (found === null) throw new TypeError(`the page has no ${id}`)
  return found
}

/**
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Readonly<Record<string, string>>} [attributes]
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value)
  made.append(...children)
  return made
}

/** Changes only what is another text: what somebody has marked or is reading stays. @param {Node} node @param {string} text */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text
}

/** @param {string} id @param {boolean} shown */
export function show(id, shown) {
  byId(id).hidden = !shown
}

/** What belongs to a child of a list. @type {WeakMap<Element, { key: string, update: (item: any) => void }>} */
const parts = new WeakMap()

/**
 * Makes the children of `parent` those of `items`, in this order. A child stays the same element as long as its key is there, so
 * that focus and scrolling stay, too.
 * @template T
 * @param {Element} parent
 * @param {readonly T[]} items
 * @param {(item: T) => string} keyOf
 * @param {() => readonly [child: Element, update: (item: T) => void]} create
 */
export function keyed(parent, items, keyOf, create) {
  const known = new Map([...parent.children].map((child) => [parts.get(child)?.key ?? '', child]))
  /** @type {Map<string, number>} */
  const taken = new Map()
  /** @type {Element | null} */
  let next = parent.firstElementChild
  for (const item of items) {
    const name = keyOf(item)
    const same = taken.get(name) ?? 0
    taken.set(name, same + 1)
    // what others name need not be unique
    const key = `${same} ${name}`
    let child = known.get(key)
    known.delete(key)
    if (child === undefined) {
      const [made, update] = create()
      parts.set(made, { key, update })
      child = made
    }
    if (child === next) next = child.nextElementSibling
    else parent.insertBefore(child, next)
    parts.get(child)?.update(item)
  }
  for (const gone of known.values()) gone.remove()
}

/**
 * A table's rows, each a list of cells: of text, or of elements of their own.
 * @param {string} id of the table's body
 * @param {readonly (readonly [key: string, ...cells: (string | Node)[]])[]} rows
 */
export function tableRows(id, rows) {
  keyed(
    byId(id),
    rows,
    ([key]) => key,
    () => {
      const row = element('tr')
      return [row, ([, ...cells]) => setCells(row, cells)]
    },
  )
}

/** @param {HTMLTableRowElement} row @param {readonly (string | Node)[]} cells */
export function setCells(row, cells) {
  for (const [index, cell] of cells.entries()) {
    const at = row.children[index] ?? row.appendChild(index === 0 ? element('th', { scope: 'row' }) : element('td'))
    if (typeof cell === 'string') setText(at, cell)
    else if (at.firstChild === null || at.textContent !== cell.textContent) at.replaceChildren(cell)
  }
}
