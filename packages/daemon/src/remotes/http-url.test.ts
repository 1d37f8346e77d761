import { expect, test } from "vitest";
import { codeOf } from "./bucket-suite.ts";
import { parseHttpUrl, parseOrigin } from "./http-url.ts";
import { parseRemoteUrl } from "./remote-url.ts";

test("parseRemoteUrl() reads folders, buckets and servers", () => {
  expect(parseRemoteUrl("file:///srv/models")).toMatchObject({ kind: "file" });
  expect(parseRemoteUrl("s3://models/x")).toMatchObject({ kind: "s3" });
  expect(parseRemoteUrl("HTTPS://Smc.Example.org:7433/team/model/")).toEqual({
    kind: "http",
    origin: "https://smc.example.org:7433",
    repository: "team/model",
    url: "https://smc.example.org:7433/team/model",
  });
});

test.for([
  ["https://h/model", "https://h"],
  ["https://h:443/model", "https://h"],
  ["https://10.0.0.7:7433/model", "https://10.0.0.7:7433"],
  ["https://[fd00::1]:7433/model", "https://[fd00::1]:7433"],
  ["https://xn--bcher-kva.example/model", "https://xn--bcher-kva.example"],
  ["http://localhost:7433/model", "http://localhost:7433"],
  ["http://127.0.0.1/model", "http://127.0.0.1"],
  ["http://127.1:80/model", "http://127.0.0.1"],
  ["http://[::1]:1/model", "http://[::1]:1"],
] as const)("%s is at %s", ([text, origin]) => {
  expect(parseHttpUrl(text)).toMatchObject({ origin, repository: "model" });
  expect(parseOrigin(text)).toBe(origin);
  expect(parseOrigin(origin)).toBe(origin);
  expect(parseOrigin(`${origin}/`)).toBe(origin);
});

const INVALID = [
  "ext::sh -c id",
  "EXT::sh",
  "-oProxyCommand=x",
  "ssh://-oX/",
  "fd::7",
  "ftp://host/x",
  "javascript:alert(1)",
  "https:",
  "https:host/x",
  "https://",
  "https:///etc",
  "http:///etc",
  "https://user:secret@h/model",
  "https://secret@h/model",
  "https://h@/model",
  "https://h%0d%0aX:/model",
  "https://h\n/model",
  "https://h/mo\tdel",
  "http://exa\tmple.com/model",
  "https://a\\@b/model",
  "https:\\\\h\\model",
  "https://h\u202e/model",
  "https://ex\u0430mple.com/model",
  "https://h..h/model",
  "https://-h/model",
  "https://h:99999/model",
  "https://h:port/model",
  "https://h:/model",
  "https://[::g]/model",
  "https://1.2.3.4.5/model",
  `https://${"h".repeat(2000)}/model`,
  "https://h/model?token=secret",
  "https://h/model#secret",
  "https://h/model?",
  "https://h/a/b/c",
  "https://h//model",
  "https://h/../model",
  "https://h/%6dodel",
  "https://h/.model",
  "https://h/model.git",
  "https://h/mo del",
  "http://host/model",
  "http://10.0.0.7/model",
  "http://127.0.0.1.example.org/model",
  "http://localhost.example.org/model",
  "http://localhost./model",
  "http://0/model",
  "http://[::ffff:127.0.0.1]/model",
];

test.for(INVALID)("parseRemoteUrl() refuses %j", async (text) => {
  expect(await codeOf(async () => parseRemoteUrl(text))).toBe("URL_INVALID");
  expect(await codeOf(async () => parseOrigin(text))).toBe("URL_INVALID");
});

function failure(text: string): { message: string; hint?: string } {
  try {
    parseRemoteUrl(text);
  } catch (error) {
    return error as { message: string; hint?: string };
  }
  throw new Error("nothing was thrown");
}

test("what is wrong with an address is told without its secrets, and with what to do", () => {
  for (const text of INVALID.filter((text) => text.includes("secret"))) {
    const { message, hint } = failure(text);
    expect(`${message} ${hint}`).not.toContain("secret");
  }
  expect(failure("https://user:secret@h/model").hint).toContain("smc login");
  expect(failure("http://host/model").hint).toBe("use https");
  expect(failure("https://host").hint).toContain("https://host/name");
});
