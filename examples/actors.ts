/** What `npm start` serves: every example in one place. */
export { BankAccount, Transfer } from './bank-account.ts';
export { ChatRoom } from './chat-room.ts';
export { OrderHistory } from './order-history.ts';
export { ShoppingCart } from './shopping-cart.ts';
export { Stock } from './stock.ts';
