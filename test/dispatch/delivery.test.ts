import { describe, expect, test } from 'vitest';
import { createDelivery } from '../../src/dispatch/delivery.ts';
import { RenderError } from '../../src/templates/render.ts';

const input = {
  messageId: '00000000-0000-4000-8000-000000000000',
  method: 'smtp',
  template: { name: 't', version: 1, group: 'General' },
  recipient: { id: 'u' },
  content: {
    title: 'T',
    markdown: 'b',
    text: 'b',
    html: '<p>b</p>',
    actions: [],
    language: 'en',
    direction: 'ltr' as const,
  },
  brand: { appName: 'A', baseUrl: 'https://app.example' },
  createdAt: new Date(0),
};

describe('a delivery', () => {
  test('shows names as they are: nothing in them reorders or hides text', () => {
    const attachment = { contentType: 'image/jpeg', content: new Uint8Array([1]) };
    const { recipient, attachments } = createDelivery({
      ...input,
      recipient: { id: 'u', name: 'Ada\u202e\r\nBcc: x\u0000' },
      attachments: ['a\u202egpj.exe', 'a\u2067gpj.exe\u2069', 'a\u200fgpj.exe', 'plain.jpg'].map((name) => ({
        ...attachment,
        name,
      })),
    });
    expect(recipient.name).toBe('Ada Bcc: x');
    expect(attachments?.map(({ name }) => name)).toEqual(['agpj.exe', 'agpj.exe', 'agpj.exe', 'plain.jpg']);
  });

  test('checks the actions of a message again', () => {
    const withAction = (url: string) => createDelivery({ ...input, actions: [{ label: 'Open\u202e it', url }] });
    expect(withAction('https://app.example/x').content.actions).toEqual([
      { label: 'Open it', url: 'https://app.example/x' },
    ]);
    for (const url of ['javascript:alert(1)', '/relative', 'https://user:pw@app.example/']) {
      expect(() => withAction(url)).toThrow(RenderError);
      expect(() => withAction(url)).toThrow(/the action 1 of the message: /);
    }
  });
});
