// Checked by tsc against the packed package, never run: it knows every public name, and nothing else.
//
// The last lines are mistakes on purpose. tsc reports an expected error that does not come, so the
// check also fails if it stops noticing one of them.

import * as web from "@unmask-sdk/web";

export const NAMES: Record<keyof typeof web, unknown> = {
  ArtifactError: web.ArtifactError,
  DeviceMismatchError: web.DeviceMismatchError,
  ImageReadError: web.ImageReadError,
  ImageWriteError: web.ImageWriteError,
  InvalidInputError: web.InvalidInputError,
  Model: web.Model,
  Result: web.Result,
  RuntimeUnavailableError: web.RuntimeUnavailableError,
  Session: web.Session,
  SourceError: web.SourceError,
  Stream: web.Stream,
  UnmaskError: web.UnmaskError,
  load: web.load,
};

export type Types = [
  web.Backend,
  web.Counters,
  web.EncodeOptions,
  web.Face,
  web.LoadOptions,
  web.ModelInfo,
  web.Progress,
  web.Source,
  web.StreamHandlers,
  web.UnmaskOptions,
];

export async function unmask(file: File, video: HTMLVideoElement): Promise<Blob> {
  const onprogress = ({ loaded, total }: web.Progress): number => loaded / total;
  const options: web.LoadOptions = { model: "unmask-256", backend: "wasm", threads: 2, onprogress };
  const model: web.Model = await web.load(options);
  const runtime: string = model.info.runtime;
  try {
    const result: web.Result = await model.unmask(file, { boxes: [[1, 2, 3, 4]] });
    const faces: web.Face[] = result.faces;
    const pixels: ImageData = faces[0]?.crop ?? result.image;
    const text: string[] = [runtime, ...result.notes, `${result.timings.run} ms`];
    const { unmasked }: { unmasked: Uint8Array } = await model.crops(new Uint8Array(256 * 256 * 3));
    const session: web.Session = model.session({ smooth: true });
    const frame: web.Result = await session.frame(video);
    const stream: web.Stream = model.stream(video, {
      onresult: ({ image }) => text.push(`${image.width}`),
      onerror: (error) => text.push(error.message),
    });
    const counters: web.Counters = stream.counters;
    stream.close();
    console.log(pixels.width, unmasked.length, frame.faces[0]?.track, counters, text.join());
    return await result.toBlob({ type: "image/jpeg", quality: 0.9 });
  } catch (error) {
    if (error instanceof web.ImageReadError) console.log(error.message);
    throw error;
  } finally {
    model.close();
  }
}

export async function mistakes(model: web.Model): Promise<void> {
  // @ts-expect-error: there is no such function.
  await web.laod();
  // @ts-expect-error: there is no such backend.
  await web.load({ backend: "webgl" });
  // @ts-expect-error: there is no such option.
  await web.load({ device: "gpu" });
  // @ts-expect-error: a path is not a source.
  await model.unmask("photo.jpg");
}
