import * as v from 'valibot';
import { describe, expect, expectTypeOf, it } from 'vitest';
import { ConfigurationError } from '../../src/errors.ts';
import { type DataOf, defineTemplate, type LabelsOf, labelNames, validateInput } from '../../src/templates/define.ts';

const deleted = defineTemplate({
  name: 'workspace-deleted',
  labels: v.object({ workspace: v.string(), reason: v.optional(v.string(), 'unused'), note: v.optional(v.string()) }),
  data: v.object({ builds: v.number() }),
  secrets: ['note'],
});

/** A validator that is not valibot, and answers later. */
const later = defineTemplate({
  name: 'later',
  labels: {
    '~standard': {
      version: 1,
      vendor: 'test',
      validate: async (value: unknown) =>
        (value as { a?: unknown }).a === 'x'
          ? { value: { a: 'x' } }
          : { issues: [{ message: 'a must be x', path: [{ key: 'a' }] }] },
      types: undefined as unknown as { input: { a: string }; output: { a: string } },
    },
  },
});

describe('defineTemplate', () => {
  it('infers what enqueue takes: the input of the schemas', () => {
    expectTypeOf<LabelsOf<typeof deleted>>().toEqualTypeOf<{
      workspace: string;
      reason?: string | undefined;
      note?: string | undefined;
    }>();
    expectTypeOf<DataOf<typeof deleted>>().toEqualTypeOf<{ builds: number }>();
    expectTypeOf<LabelsOf<typeof later>>().toEqualTypeOf<{ a: string }>();
    expectTypeOf(deleted.name).toEqualTypeOf<'workspace-deleted'>();
  });

  it('does not compile with labels that are not text', () => {
    // @ts-expect-error a label is a flat string
    defineTemplate({ name: 'x', labels: v.object({ count: v.number() }) });
    // @ts-expect-error a label is a flat string
    defineTemplate({ name: 'x', labels: v.object({ nested: v.object({ a: v.string() }) }) });
    expect(() =>
      // @ts-expect-error a secret names one of the labels
      defineTemplate({ name: 'x', labels: v.object({ a: v.string() }), secrets: ['b'] }),
    ).toThrow('template x: secrets: "b" is not one of its labels');
  });

  it.each(['', '-a', 'A', 'a_b', 'a b', 'ä', '../a', 'a'.repeat(101)])('refuses the name %j', (name) => {
    expect(() => defineTemplate({ name, labels: v.object({}) })).toThrow(ConfigurationError);
  });

  it('refuses a value that is not a schema', () => {
    expect(() => defineTemplate({ name: 'x', labels: {} as never })).toThrow(
      'template x: labels: is not a Standard Schema',
    );
  });

  it('tells the names of the labels where the schema does', () => {
    expect(labelNames(deleted)).toEqual(['note', 'reason', 'workspace']);
    expect(labelNames(later)).toBeNull();
  });
});

describe('validateInput', () => {
  it('fills in defaults and leaves out optional labels', async () => {
    const input = { labels: { workspace: 'w', note: undefined }, data: { builds: 1 } };
    expect(await validateInput(deleted, input)).toEqual({
      value: { labels: { workspace: 'w', reason: 'unused' }, data: { builds: 1 } },
    });
  });

  it('reports everything that is wrong in labels and data, with paths', async () => {
    const result = await validateInput(deleted, { labels: { reason: 5 }, data: { builds: 'x' } });
    expect('issues' in result && result.issues.map((issue) => issue.path)).toEqual([
      'labels.workspace',
      'labels.reason',
      'data.builds',
    ]);
  });

  it('never quotes the value of a secret label', async () => {
    const result = await validateInput(deleted, { labels: { workspace: 'w', note: 73_519 }, data: { builds: 1 } });
    expect(result).toEqual({ issues: [{ path: 'labels.note', message: expect.stringContaining('secret') }] });
    expect(JSON.stringify(result)).not.toContain('73519');
  });

  it('waits for a validator that answers later', async () => {
    expect(await validateInput(later, { labels: { a: 'x' } })).toEqual({ value: { labels: { a: 'x' }, data: null } });
    expect(await validateInput(later, { labels: { a: 'y' } })).toEqual({
      issues: [{ path: 'labels.a', message: 'a must be x' }],
    });
  });

  it('refuses labels that a careless schema lets through', async () => {
    const careless = defineTemplate({ name: 'x', labels: v.custom<{ a: string }>(() => true) });
    expect(await validateInput(careless, { labels: { a: 5 } })).toEqual({
      issues: [{ path: 'labels.a', message: 'must be a string, not number' }],
    });
  });
});
