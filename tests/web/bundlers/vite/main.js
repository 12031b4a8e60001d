import { load } from "@unmask-sdk/web";

const [input, image, output] = document.querySelectorAll("input, img, output");
const opening = load({
  model: "unmask-256-lite",
  threads: globalThis.SharedArrayBuffer ? 2 : 1,
});

opening.then(() => {
  input.disabled = false;
});
input.onchange = async () => {
  const model = await opening;
  const result = await model.unmask(input.files[0]);
  image.src = URL.createObjectURL(await result.toBlob({ type: "image/png" }));
  output.value = `${result.faces.length} faces, ${result.timings.threads} threads`;
};
