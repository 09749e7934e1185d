/** The counter as an actor of Rivet: `node counter.mjs <folder of its packages> <URL of its engine>`. */
import { createRequire } from 'node:module';
import { join } from 'node:path';

const [folder, endpoint] = process.argv.slice(2);
const { actor, setup } = createRequire(join(folder, 'package.json'))('rivetkit');

const counter = actor({
  state: { total: 0 },
  actions: {
    /** Saved at the next interval, a second by default. */
    add: (context, by) => {
      context.state.total += by;
      return context.state.total;
    },
    addAndSave: async (context, by) => {
      context.state.total += by;
      await context.saveState({ immediate: true });
      return context.state.total;
    },
    total: (context) => context.state.total,
  },
});

setup({ use: { counter }, endpoint, startServices: false, noWelcome: true }).start();
