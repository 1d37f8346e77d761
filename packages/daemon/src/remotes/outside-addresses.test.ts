import { expect, test } from "vitest";
import {
  assertOutsideHost,
  assertPublicHost,
  isPublicAddress,
  lookupOutside,
  lookupPublic,
  parsePrivateHosts,
} from "./outside-addresses.ts";

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

function look(hostname: string, allowed = NONE, lookup = lookupPublic): Promise<unknown> {
  return new Promise((resolve) => {
    lookup(allowed)(hostname, {}, (error, address) => resolve(error ?? address));
  });
}

test.each(["localhost", "LOCALHOST"])("E3: a name of this machine is not asked: %s", async (name) => {
  expect(await look(name)).toMatchObject({ code: "URL_INVALID" });
  expect(await look(name, parsePrivateHosts("localhost"))).toMatch(/^(127\.0\.0\.1|::1)$/);
});

test("a name that is not known is told as that", async () => {
  expect(await look("no-such-name.invalid")).toMatchObject({ syscall: "getaddrinfo" });
});

test.each([
  "169.254.169.254",
  "2852039166",
  "[::ffff:169.254.169.254]",
  "[64:ff9b::169.254.169.254]",
  "[fd00:ec2::254]",
  "[fe80::1]",
  "100.100.100.200",
  "168.63.129.16",
])("C22: where a machine is told its keys is not asked, unless the user means it: %s", (host) => {
  const url = new URL(`https://${host}/hook`);
  const refused = expect.objectContaining({
    code: "URL_INVALID",
    hint: expect.stringContaining("network.metadataHosts"),
  });
  expect(() => assertOutsideHost(url, NONE)).toThrow(refused);
  const named = url.hostname.replaceAll(/[[\]]/g, "");
  expect(() => assertOutsideHost(url, parsePrivateHosts(named))).not.toThrow();
});

test.each(["127.0.0.1", "[::1]", "10.1.2.3", "192.168.0.1", "[fd00::1]", "models.lan", "8.8.8.8"])(
  "the user's own network is theirs: %s",
  (host) => {
    expect(() => assertOutsideHost(new URL(`https://${host}/hook`), NONE)).not.toThrow();
  },
);

// The system takes this as a name that it knows.
const LINK_LOCAL = "169.254.43518";

test("C22: a name that leads to where a machine is told its keys is not connected to", async () => {
  expect(await look(LINK_LOCAL, NONE, lookupOutside)).toMatchObject({ code: "URL_INVALID" });
  expect(await look(LINK_LOCAL, parsePrivateHosts(LINK_LOCAL), lookupOutside)).toBe("169.254.169.254");
  expect(await look("localhost", NONE, lookupOutside)).toMatch(/^(127\.0\.0\.1|::1)$/);
});
