// What the address of the page says, and addresses beside it

export function parameter(name) {
  return new URLSearchParams(location.search).get(name);
}

// Leaves the address without a parameter, and everything else as it is
export function dropParameter(name) {
  const address = new URL(location.href);
  address.searchParams.delete(name);
  history.replaceState(history.state, '', address);
}

// The address of something that is served beside the page, like `v1/predict`
export function addressBeside(path) {
  return new URL(path, location.href).href;
}

// The address at which the page opens with the picture behind a link
export function sharedAddress(url) {
  return addressBeside(`?url=${encodeURIComponent(url)}`);
}
