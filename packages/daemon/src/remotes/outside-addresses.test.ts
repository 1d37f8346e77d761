import { expect, test } from "vitest";
import { assertPublicHost, isPublicAddress, lookupPublic, parsePrivateHosts } from "./outside-addresses.ts";

const NONE = parsePrivateHosts("");

test.each([
  ["0x7f.1", "127.0.0.1"],
  ["2130706433", "127.0.0.1"],
  ["0177.0.0.1", "127.0.0.1"],
  ["127.1", "127.0.0.1"],
  ["①②⑦.⓪.⓪.①", "127.0.0.1"],
  ["[::ffff:169.254.169.254]", "::ffff:a9fe:a9fe"],
  ["[64:ff9b::7f00:1]", "64:ff9b::7f00:1"],
  ["[64:ff9b:1::a00:1]", "64:ff9b:1::a00:1"],
  ["[2002:7f00:1::]", "2002:7f00:1::"],
  ["0", "0.0.0.0"],
  ["[::1]", "::1"],
  ["[::]", "::"],
  ["[fd00::1]", "fd00::1"],
  ["[fe80::1]", "fe80::1"],
  ["169.254.169.254", "169.254.169.254"],
  ["10.1.2.3", "10.1.2.3"],
  ["100.64.0.1", "100.64.0.1"],
  ["172.31.255.255", "172.31.255.255"],
  ["192.168.0.1", "192.168.0.1"],
  ["255.255.255.255", "255.255.255.255"],
])("E3: %s is not asked", (host, shown) => {
  const url = new URL(`http://${host}/model`);
  expect(() => assertPublicHost(url, NONE)).toThrow(
    expect.objectContaining({ code: "URL_INVALID", message: expect.stringContaining(shown) }),
  );
  expect(() => assertPublicHost(url, parsePrivateHosts(`a.lan, ${shown.toUpperCase()}`))).not.toThrow();
});

test.each(["8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700::1111"])(
  "%s is an address of others",
  (address) => {
    expect(isPublicAddress(address)).toBe(true);
  },
);

function look(hostname: string, allowed = NONE): Promise<unknown> {
  return new Promise((resolve) => {
    lookupPublic(allowed)(hostname, {}, (error, address) => resolve(error ?? address));
  });
}

test.each(["localhost", "LOCALHOST"])("E3: a name of this machine is not asked: %s", async (name) => {
  expect(await look(name)).toMatchObject({ code: "URL_INVALID" });
  expect(await look(name, parsePrivateHosts("localhost"))).toMatch(/^(127\.0\.0\.1|::1)$/);
});

test("a name that is not known is told as that", async () => {
  expect(await look("no-such-name.invalid")).toMatchObject({ syscall: "getaddrinfo" });
});
