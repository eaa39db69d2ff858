/** What stays in this browser: JSON under our prefix in localStorage. Storage that is full, switched
 *  off or damaged costs the convenience of finding things again, never the page. */
const prefix = "instructd.";

export function load<T>(name: string, fallback: T): T {
  try {
    const text = localStorage.getItem(prefix + name);
    return text === null ? fallback : (JSON.parse(text) as T);
  } catch {
    return fallback;
  }
}

/** False when the browser did not take it. */
export function save(name: string, value: unknown): boolean {
  try {
    localStorage.setItem(prefix + name, JSON.stringify(value));
    return true;
  } catch {
    return false;
  }
}

export function forget(name: string): void {
  localStorage.removeItem(prefix + name);
}

/** Offers a value as a file of JSON. */
export function download(filename: string, value: unknown): void {
  const text = JSON.stringify(value, null, 2);
  saveFile(filename, new Blob([text], { type: "application/json" }));
}

/** Offers bytes as a file to save. */
export function saveFile(filename: string, bytes: Blob): void {
  const url = URL.createObjectURL(bytes);
  const link = document.createElement("a");
  link.href = url;
  link.download = filename;
  link.click();
  URL.revokeObjectURL(url);
}

/** The JSON of a file that a person picks; null when none was picked. */
export function pickJson(): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const input = document.createElement("input");
    input.type = "file";
    input.accept = "application/json,.json";
    input.oncancel = () => resolve(null);
    input.onchange = () => {
      const file = input.files?.[0];
      if (file) file.text().then((text) => resolve(JSON.parse(text))).catch(reject);
      else resolve(null);
    };
    input.click();
  });
}
