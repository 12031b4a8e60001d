"use client";

import { load } from "@unmask-sdk/web";
import { useEffect, useState } from "react";

let opening;

/** One model for all of the page, however often React mounts it. */
function open() {
  opening ??= load({ model: "unmask-256-lite", threads: globalThis.SharedArrayBuffer ? 2 : 1 });
  return opening;
}

export default function Page() {
  const [ready, setReady] = useState(false);
  const [unmasked, setUnmasked] = useState(null);

  useEffect(() => {
    open().then(() => setReady(true));
  }, []);

  async function unmask({ target }) {
    const model = await open();
    const result = await model.unmask(target.files[0]);
    const address = URL.createObjectURL(await result.toBlob({ type: "image/png" }));
    setUnmasked({ address, faces: result.faces.length, threads: result.timings.threads });
  }

  return (
    <>
      <input type="file" accept="image/*" disabled={!ready} onChange={unmask} />
      {unmasked && <img src={unmasked.address} alt="The photo without the mask" />}
      {unmasked && <output>{`${unmasked.faces} faces, ${unmasked.threads} threads`}</output>}
    </>
  );
}
