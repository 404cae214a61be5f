/** Does work a number of times, so many at once; the work gets its number, from 1. Rejects with the first that fails. */
export async function inTurns(times: number, atOnce: number, work: (n: number) => Promise<unknown>): Promise<void> {
  let last = 0;
  const loop = async () => {
    while (last < times) await work(++last);
  };
  await Promise.all(Array.from({ length: atOnce }, loop));
}
