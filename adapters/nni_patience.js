'use strict';
// Loaded into NNI's manager by the environment variable NODE_OPTIONS; see nni_patience.py. No file of
// NNI is changed. Its manager (3.0) gives a tuner 10 seconds to be imported and to connect, and does
// not notice when the tuner's process ends.

const childProcess = require('child_process');
const path = require('path');

const CLOCK = 10000; // of core/tuner_command_channel.js, in milliseconds
const seconds = Number(process.env.CELLWRIGHT_NNI_PATIENCE) || 120;
const usual = { setTimeout: globalThis.setTimeout, spawn: childProcess.spawn };
let giveUp = null; // ends the wait for the tuner, if there is one
let gone = false; // the tuner's process has ended

globalThis.setTimeout = Object.assign(function (callback, delay, ...rest) {
    if (delay !== CLOCK || !new Error().stack.includes('tuner_command_channel')) {
        return usual.setTimeout(callback, delay, ...rest);
    }
    giveUp = callback;
    return usual.setTimeout(callback, gone ? 0 : seconds * 1000, ...rest);
}, usual.setTimeout);
const promisified = require('util').promisify.custom;
globalThis.setTimeout[promisified] = usual.setTimeout[promisified];

childProcess.spawn = function (command, words, ...rest) {
    const started = usual.spawn(command, words, ...rest);
    if (Array.isArray(words) && words.includes('--exp_params')) {
        started.on('exit', (code, signal) => {
            try {
                ended(signal || `exit status ${code}`);
            } catch (error) {
                console.error('cellwright:', error); // the manager must not end because of this
            }
        });
    }
    return started;
};

function ended(how) {
    gone = true;
    if (giveUp !== null) {
        giveUp(); // which does nothing if the tuner had connected
    }
    const { IocShim } = require(path.join(path.dirname(process.argv[1]), 'common/ioc_shim'));
    const manager = IocShim.get({ name: 'Manager' });
    if (['RUNNING', 'NO_MORE_TRIAL', 'TUNER_NO_MORE_TRIAL'].includes(manager.status.status)) {
        manager.criticalError(new Error(
            `The tuner's process has ended (${how}), and no trial can begin. Its log is ` +
            'dispatcher.log. Stop the experiment, and resume it: nothing that was told is lost.'
        ));
    }
}
