#!/bin/bash
[[ -e /x ]]
