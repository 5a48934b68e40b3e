// A link to a trajectory becomes a picture that plays, by 3Dmol.js, once the reader asks for it. Without the library the link stays.
const LIBRARY = "https://cdn.jsdelivr.net/npm/3dmol@2.5.5/build/3Dmol-min.js";
const INTEGRITY = "sha384-OsczYbldvrHgslr9fFp/i4GiLSeuw9l+QIlv99ITw8soOwXcoGeflFMLg+CU/X1d";

function load() {
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    Object.assign(script, { src: LIBRARY, integrity: INTEGRITY, crossOrigin: "anonymous", onload: resolve, onerror: reject });
    document.head.append(script);
  });
}

async function play(link, button) {
  button.disabled = true;
  button.textContent = "Loading";
  try {
    const [text] = await Promise.all([fetch(link.href).then((answer) => answer.text()), load()]);
    const box = document.createElement("div");
    box.className = "viewer";
    button.replaceWith(box);
    const viewer = $3Dmol.createViewer(box, { backgroundAlpha: 0 });
    viewer.addModelsAsFrames(text, "xyz");
    viewer.setStyle({}, { stick: { radius: 0.12 }, sphere: { scale: 0.22 } });
    viewer.zoomTo();
    viewer.animate({ loop: "forward", interval: 80 });
    viewer.render();
  } catch {
    button.textContent = "3Dmol.js could not be loaded: open the file in a viewer of your own";
  }
}

for (const link of document.querySelectorAll("a.trajectory")) {
  const button = document.createElement("button");
  button.className = "md-button play";
  button.textContent = "Show the trajectory";
  button.onclick = () => play(link, button);
  link.before(button);
}
