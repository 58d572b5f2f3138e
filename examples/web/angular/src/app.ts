import { CUSTOM_ELEMENTS_SCHEMA, Component, signal } from '@angular/core';
import type { InfLlavaChatEventMap, OfferedModel } from 'inf-llava';

@Component({
  selector: 'app-root',
  // The tag is the browser's, not a component of Angular's.
  schemas: [CUSTOM_ELEMENTS_SCHEMA],
  template: `
    <main>
      <h1>Image chat on this device</h1>
      <label>Model <select #choice (change)="model.set(choice.value || null)">
        <option value="">The small one</option>
        @for (entry of models; track entry.url) { <option [value]="entry.url">{{ entry.name }}</option> }
      </select></label>
      <button type="button" (click)="shown.set(!shown())">{{ shown() ? 'Hide' : 'Show' }}</button>
      @if (shown()) {
        <inf-llava-chat
          [model]="model()"
          [models]="models"
          [maxNewTokens]="200"
          [attr.page-wide]="false"
          (inf-llava-answer)="answered($event)"
          (inf-llava-error)="failed($event)"
        >
          <p slot="footer">Answers: {{ answers().length }} {{ failure() }}</p>
        </inf-llava-chat>
      }
    </main>
  `,
})
export class App {
  readonly models: OfferedModel[] = [{ name: 'In the folder model/', url: 'model/' }];
  /** null: the package's own small model. */
  readonly model = signal<string | null>(null);
  readonly shown = signal(true);
  readonly answers = signal<string[]>([]);
  readonly failure = signal('');

  answered({ detail }: InfLlavaChatEventMap['inf-llava-answer']): void {
    this.answers.update((before) => [...before, detail.answer.text]);
  }

  failed({ detail }: InfLlavaChatEventMap['inf-llava-error']): void {
    this.failure.set(detail.message);
  }
}
