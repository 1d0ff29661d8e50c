// What happens to a script that writes markup. Runs in the page.
;(() => {
  try {
    document.body.innerHTML = '<b>no</b>'
    return 'written'
  } catch (error) {
    return String(error)
  }
})()
