// Sets the theme before the first paint. Never does anything else, so that it may stand in the way of the page.
try {
  const theme = localStorage.getItem('bigo.theme');
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
} catch {
  // Without storage the system's theme is used.
}
