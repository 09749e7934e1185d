/** What `npm start` serves: every example in one place. */
export { BankAccount, Transfer } from './bank-account.ts';
export { ChatRoom } from './chat-room.ts';
export { Order } from './order-fulfilment.ts';
export { OrderHistory } from './order-history.ts';
export { Payment } from './payment.ts';
export { ShoppingCart } from './shopping-cart.ts';
export { Stock } from './stock.ts';
