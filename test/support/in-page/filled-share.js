// How much of the first picture of pieces is filled in. Runs in the page.
;(() => {
  const canvas = document.querySelector('canvas')
  const pen = canvas?.getContext('2d')
  if (canvas === null || pen === null || pen === undefined) return 0
  const color = getComputedStyle(canvas).getPropertyValue('--piece').trim()
  const wanted = [1, 3, 5].map((at) => Number.parseInt(color.slice(at, at + 2), 16))
  const { data } = pen.getImageData(0, 0, canvas.width, canvas.height)
  let filled = 0
  for (let at = 0; at < data.length; at += 4) if (wanted.every((value, i) => data[at + i] === value)) filled++
  return filled / (data.length / 4)
})()
