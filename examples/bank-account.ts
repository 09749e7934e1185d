/**
 * Bank accounts, and transfers between them. Amounts are whole cents.
 *
 * Two accounts are two actors, so no command can change both at once. A Transfer is an actor of its own that takes
 * the money out of one account, puts it into the other, and puts it back if the other refuses: a saga. Each step is
 * recorded before the next one leaves (a tell goes with the record), each account remembers which transfers it has
 * seen, and so money is neither created nor lost, whatever crashes in between:
 *
 *     start ─ tell ▶ from.withdrawFor ─ tell ▶ withdrawn ─ tell ▶ to.depositFor ─ tell ▶ done
 *                          └─ tell ▶ failed                            └─ tell ▶ refund ─ tell ▶ from.depositFor …
 */
import { type Accepts, eventSourced, Rejection } from 'greenroom';
import { object, positive, text, value } from './schema.ts';

type Movement = { transfer: string; amount: number };
type Account = { balance: number; isOpen: boolean };

export class BankAccount extends eventSourced({
  initialState: (): Account => ({ balance: 0, isOpen: false }),
  events: {
    Opened: (account) => ({ ...account, isOpen: true }),
    Deposited: (account, { amount }: { amount: number }) => ({ ...account, balance: account.balance + amount }),
    Withdrawn: (account, { amount }: { amount: number }) => ({ ...account, balance: account.balance - amount }),
    TransferredOut: (account, { amount }: Movement) => ({ ...account, balance: account.balance - amount }),
    TransferredIn: (account, { amount }: Movement) => ({ ...account, balance: account.balance + amount }),
    Closed: (account) => ({ ...account, isOpen: false }),
  },
}) {
  static readonly accepts: Accepts<BankAccount> = { deposit: value(positive), withdraw: value(positive) };

  open() {
    if (!this.state.isOpen) this.persist('Opened');
  }

  /** Returns the new balance. */
  deposit(amount: number) {
    this.#mustBeOpen();
    this.persist('Deposited', { amount });
    return this.state.balance;
  }

  /** Returns the new balance. */
  withdraw(amount: number) {
    this.#mustBeOpen();
    if (amount > this.state.balance) {
      throw new Rejection('INSUFFICIENT_FUNDS', `the balance is ${this.state.balance}`, {
        balance: this.state.balance,
      });
    }
    this.persist('Withdrawn', { amount });
    return this.state.balance;
  }

  close() {
    if (this.state.balance !== 0) throw new Rejection('NOT_EMPTY', `there are still ${this.state.balance} cents in it`);
    if (this.state.isOpen) this.persist('Closed');
  }

  balance() {
    this.#mustBeOpen();
    return this.state.balance;
  }

  // Told by Transfer. A tell takes effect exactly once, so no step needs to look for repetitions. It has no caller
  // that could catch a rejection, so a "no" is told back instead of thrown.

  withdrawFor({ transfer, amount }: Movement) {
    const answer = this.tell(this.actor(Transfer, transfer));
    if (!this.state.isOpen || amount > this.state.balance) {
      answer.failed(this.state.isOpen ? 'INSUFFICIENT_FUNDS' : 'ACCOUNT_CLOSED');
      return;
    }
    this.persist('TransferredOut', { transfer, amount });
    answer.withdrawn();
  }

  depositFor({ transfer, amount }: Movement) {
    const answer = this.tell(this.actor(Transfer, transfer));
    if (!this.state.isOpen) {
      answer.refused();
      return;
    }
    this.persist('TransferredIn', { transfer, amount });
    answer.deposited();
  }

  /** Money comes back, also into an account that was closed meanwhile: refusing it would lose it. */
  refundFor(movement: Movement) {
    this.persist('TransferredIn', movement);
    this.tell(this.actor(Transfer, movement.transfer)).refunded();
  }

  // Protected: no caller outside may name it. (`private` and `protected` are gone at run time, where HTTP callers
  // are; a name that starts with `_` or a `#method` is out of reach for everybody.)
  #mustBeOpen() {
    if (!this.state.isOpen) throw new Rejection('ACCOUNT_CLOSED', 'this account is not open');
  }
}

type Order = { from: string; to: string; amount: number };
type TransferState =
  | { status: 'new' }
  | (Order & { status: 'withdrawing' | 'depositing' | 'refunding' | 'done' })
  | (Order & { status: 'failed'; reason: string });

/** One transfer of money; its id is the transfer's number, chosen by whoever starts it. */
export class Transfer extends eventSourced({
  initialState: (): TransferState => ({ status: 'new' }),
  events: {
    Started: (_transfer, order: Order) => ({ ...order, status: 'withdrawing' }),
    Withdrawn: (transfer) => ({ ...placed(transfer), status: 'depositing' }),
    Refused: (transfer) => ({ ...placed(transfer), status: 'refunding' }),
    Done: (transfer) => ({ ...placed(transfer), status: 'done' }),
    Failed: (transfer, { reason }: { reason: string }) => ({ ...placed(transfer), status: 'failed', reason }),
  },
  passivateAfter: '10s', // a transfer lives for moments; afterwards it is only looked up
}) {
  static readonly accepts: Accepts<Transfer> = { start: object<Order>({ from: text, to: text, amount: positive }) };

  /** Returns at once; the transfer goes on by itself. Starting it again with the same order changes nothing. */
  start(order: Order) {
    if (order.from === order.to) throw new Rejection('SAME_ACCOUNT', 'from and to are the same account');
    if (this.state.status !== 'new') {
      const { from, to, amount } = this.state;
      if (from === order.from && to === order.to && amount === order.amount) return;
      throw new Rejection('TRANSFER_EXISTS', 'this number belongs to another transfer');
    }
    this.persist('Started', order);
    this.tell(this.actor(BankAccount, order.from)).withdrawFor({ transfer: this.id, amount: order.amount });
  }

  withdrawn() {
    if (this.state.status !== 'withdrawing') return;
    this.persist('Withdrawn');
    const { to, amount } = placed(this.state);
    this.tell(this.actor(BankAccount, to)).depositFor({ transfer: this.id, amount });
  }

  failed(reason: string) {
    if (this.state.status === 'withdrawing') this.persist('Failed', { reason });
  }

  deposited() {
    if (this.state.status === 'depositing') this.persist('Done');
  }

  refused() {
    if (this.state.status !== 'depositing') return;
    this.persist('Refused');
    const { from, amount } = placed(this.state);
    this.tell(this.actor(BankAccount, from)).refundFor({ transfer: this.id, amount });
  }

  refunded() {
    if (this.state.status === 'refunding') this.persist('Failed', { reason: 'RECEIVER_CLOSED' });
  }

  get() {
    return this.state;
  }
}

/** The order inside a transfer that has one. */
function placed(transfer: TransferState): Order {
  if (transfer.status === 'new') throw new Error('this transfer has not been started');
  const { from, to, amount } = transfer;
  return { from, to, amount };
}
