// Asks the silo that served this page; where it no longer answers, looks which other silo does, and goes there.

const LIMIT = 6000;
const PROBE = 2500;

/** The silo answers, but not (yet) for the cluster: a silo is just being lost. */
export class Regrouping extends Error {}

/** The silo does not answer at all. */
export class Silent extends Error {}

/** The silo answers that it will not. */
export class Refused extends Error {}

/** Asks this silo; null: there is no such thing. */
export async function ask(path) {
  let answer;
  try {
    answer = await fetch(path, { cache: 'no-store', signal: AbortSignal.timeout(LIMIT) });
  } catch (error) {
    throw new Silent(error.message);
  }

  if (answer.status === 404) return null;
  if (answer.status === 503) throw new Regrouping((await answer.json()).error);
  if (!answer.ok) throw new Refused(`${answer.status} ${answer.statusText}`);
  try {
    return await answer.json();
  } catch (error) {
    throw new Silent(error.message);
  }
}

/**
 * The first of other silos' pages whose silo lives; null: none does. What it says is of no matter, and may not be read: only whether
 * anybody answers. The policy of this page names the silos that lived when it was loaded; of one that came later there is a link.
 */
export async function living(pages) {
  for (const page of pages) {
    try {
      await fetch(new URL('health/live', page), {
        mode: 'no-cors',
        cache: 'no-store',
        credentials: 'omit',
        signal: AbortSignal.timeout(PROBE),
      });
      return page;
    } catch {
      // The next one.
    }
  }

  return null;
}
