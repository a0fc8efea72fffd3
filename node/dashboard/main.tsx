// Puts the page on the screen.

import { render } from 'preact';
import { App } from './app.tsx';
import './style/tokens.css';
import './style/base.css';
import './style/shell.css';
import './style/parts.css';
import './style/views.css';

const root = document.getElementById('app');
if (root) render(<App />, root);
